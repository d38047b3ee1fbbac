"""From reports to counts: who was exposed, who had the event, and compared with whom."""
