"""ExeStack: a corpus of executable numeric C functions with input-output pairs.

Sources are read, numeric functions extracted and made self-contained, run in a sandbox, mutated and joined by generated
ones, split by package and written as Parquet shards. Needs the extra `nstk[corpus]`, but for reading packs.
"""
