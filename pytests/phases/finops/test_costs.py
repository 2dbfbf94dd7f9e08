def test_x(database):
    from support.replay import Replay
    print(Replay(database).verify())
    b = database.dump()
    Replay(database).revert("@phase-7")
    Replay(database).deploy()
    Replay(database).verify()
    assert database.dump() == b
