"""What people write in YAML, as strict pydantic models, and the registry of experiments, studies and tools."""
