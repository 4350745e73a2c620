"""The sandbox for untrusted functions: batches of them as WebAssembly, with fuel, memory limits and no system calls."""
