"""Shared foundations: errors, artefacts on disk, text formatting, progress, device and machine."""
