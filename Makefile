# The same as ./dev, for those who type make.
.PHONY: run test lint bench bundle wheel matrix
run test lint bench bundle wheel matrix:
	@./dev $@
