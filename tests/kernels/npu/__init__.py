"""Tests of the device that cann_on_host.py makes of the host; test_on_npu.py runs them."""
