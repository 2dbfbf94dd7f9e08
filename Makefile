# The same as ./dev, for those who type make.
.PHONY: run test lint bench bundle matrix
run test lint bench bundle matrix:
	@./dev $@
