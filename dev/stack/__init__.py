"""Everything on this machine, as `infragate up` runs it: parts as processes, started and stopped.

For laptops and tests. What a part does is its own business; here it is only started and watched.
"""
