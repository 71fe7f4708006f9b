"""The steps of the pipeline, one file per group."""
