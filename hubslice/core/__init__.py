"""What every other package needs: errors, artefacts on disk, text for people, progress, device and machine."""
