"""`infragate top`: workers, queues, plans and calls, live in a terminal. It changes nothing."""
