"""CompNet: a hypernetwork that writes the initial parameters of a surrogate from a program's text, domain and probes.

`tokenization` reads text, `modeling` is the network, `checkpoint` saves and loads both, `proposal` compiles programs.
"""
