"""Grading on hidden labels: the sandbox, the two kernels, and nbgrader's plug-ins that drive them."""
