"""The playground on one machine: the gateway's own application, a packaged model, and environments to step by buttons.

`vlm-rewards playground` starts it, `make playground` in a checkout with the phone and the home. The page itself is
`vlm_rewards.service.http.playground`, and every gateway has it.
"""
