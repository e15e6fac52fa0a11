"""From the private work file to the versions that readers open."""
