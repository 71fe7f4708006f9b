"""Xet, the storage of large files: contents cut into chunks, kept in xorbs, and put together again.

The Hub hands out a token and the address of this storage; clients then talk to it with `hf_xet` alone. Words of its
protocol: a *chunk* is a piece of a file, a *xorb* a run of chunks in one object, a *term* some chunks of a xorb as a
part of a file, a *shard* the terms of several files, as they are uploaded.
"""
