"""What the definitions share. Nothing here defines an asset, a job, a sensor or a schedule."""
