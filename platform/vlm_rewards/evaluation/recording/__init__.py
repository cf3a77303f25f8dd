"""Episodes kept state by state: what the agent and the reward saw, what was paid, and what was true."""

from vlm_rewards.extras import needs_extra

with needs_extra("offline"):
    from vlm_rewards.evaluation.recording.episode import EpisodeRecord, FrameSheet, Shares
    from vlm_rewards.evaluation.recording.facts import RecordingFacts, RewardFacts
    from vlm_rewards.evaluation.recording.recorder import EpisodeRecorder
    from vlm_rewards.evaluation.recording.recording import RECORDING_FILE, Recording
    from vlm_rewards.evaluation.recording.scoring import ServedEncoder, StateScorer

__all__ = [
    "RECORDING_FILE",
    "EpisodeRecord",
    "EpisodeRecorder",
    "FrameSheet",
    "Recording",
    "RecordingFacts",
    "RewardFacts",
    "ServedEncoder",
    "Shares",
    "StateScorer",
]
