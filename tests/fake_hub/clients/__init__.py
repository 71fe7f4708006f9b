"""Programs that use the unmodified clients; run as processes of their own, as `HF_*` is read at import."""
