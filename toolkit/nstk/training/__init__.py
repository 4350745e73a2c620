"""Training of hypernetworks: a pack of programs in, a checkpoint out.

`data` keeps the pack on the device, `objective` says what is learned in which stage, `assessment` measures on held-out
packages, `state` writes checkpoints that go on exactly where they were, `loop` runs it all.
"""
