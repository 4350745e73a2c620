"""Microcontrollers: building an original and its surrogate for them, and running both under emulation.

A target (`target`) names a core with its flags. Toolchains that can build for it are looked for (`toolchains`), bare
images of one function are linked and sized (`firmware`), run and counted (`emulation`, `avr_simulation`) with a static
table of cycles (`timing_tables`), and original and surrogate compared with the host and with each other (`measuring`).
"""
