"""Makes load: a process of its own, so that nothing here waits for what is measured."""
