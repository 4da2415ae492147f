"""A cell's samples: made, stored in shards, decoded and judged."""
