"""Every fake by the kind of destination that it stands for."""

from __future__ import annotations

from upstreams.amplitude import AmplitudeUpstream
from upstreams.ga4 import Ga4Upstream
from upstreams.google_ads import GoogleAdsUpstream
from upstreams.klaviyo import KlaviyoUpstream
from upstreams.linkedin import LinkedinUpstream
from upstreams.matomo import MatomoUpstream
from upstreams.meta import MetaUpstream
from upstreams.microsoft import MicrosoftUpstream
from upstreams.mixpanel import MixpanelUpstream
from upstreams.openai_ads import OpenaiAdsUpstream
from upstreams.pinterest import PinterestUpstream
from upstreams.platform import FakePlatform
from upstreams.plausible import PlausibleUpstream
from upstreams.posthog import PosthogUpstream
from upstreams.reddit import RedditUpstream
from upstreams.segment import SegmentUpstream
from upstreams.snapchat import SnapchatUpstream
from upstreams.tiktok import TiktokUpstream
from upstreams.webhook import WebhookUpstream
from upstreams.x import XUpstream

FAKES: dict[str, type[FakePlatform]] = {
    fake.kind: fake
    for fake in (
        MetaUpstream, GoogleAdsUpstream, Ga4Upstream, TiktokUpstream, MicrosoftUpstream, PinterestUpstream,
        SnapchatUpstream, RedditUpstream, LinkedinUpstream, XUpstream, OpenaiAdsUpstream, KlaviyoUpstream,
        SegmentUpstream, PosthogUpstream, MixpanelUpstream, AmplitudeUpstream, PlausibleUpstream, MatomoUpstream,
        WebhookUpstream,
    )
}  # fmt: skip
