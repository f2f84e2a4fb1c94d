"""A page on which sounds can be played."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from torch import Tensor

from papergan.sound.wav_files import wav_bytes

STYLE = (
    "body{font-family:sans-serif;margin:2em;max-width:75em}"
    "figure{display:inline-block;margin:.3em .6em .3em 0}figcaption{font-size:small}audio{width:15em}"
)

LONGEST = 40  # letters of a heading and of a caption in a file name; captions begin with a number


@dataclass(frozen=True, eq=False)
class SoundPage:
    """Sounds int16 [L] at `rate` Hz by heading and caption, in the order in which they are shown."""

    title: str
    rate: int
    groups: Mapping[str, Mapping[str, Tensor]]

    def files(self) -> dict[str, bytes]:
        """The content of a WAV file for every sound, by file name: "heading-caption.wav" in lower case, shortened."""
        return {
            _file_name(heading, caption): wav_bytes(samples, self.rate)
            for heading, sounds in self.groups.items()
            for caption, samples in sounds.items()
        }

    def html(self) -> str:
        """The page as HTML, with a player for every sound; it needs no other file."""
        body = [f"<h1>{escape(self.title)}</h1>"]
        for heading, sounds in self.groups.items():
            body.append(f"<h2>{escape(heading)}</h2>")
            body += [self._player(heading, caption, samples) for caption, samples in sounds.items()]
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(self.title)}</title>'
            f"<style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
        )

    def _player(self, heading: str, caption: str, samples: Tensor) -> str:
        content = base64.b64encode(wav_bytes(samples, self.rate)).decode()
        return (
            f'<figure><figcaption><a href="{_file_name(heading, caption)}">{escape(caption)}</a></figcaption>'
            f'<audio controls preload="none" src="data:audio/wav;base64,{content}"></audio></figure>'
        )


def files_of(page: str) -> list[str]:
    """The names of the WAV files that a page made by `SoundPage.html` links to."""
    return re.findall(r'<a href="([^"/]+\.wav)">', page)


def _file_name(heading: str, caption: str) -> str:
    return f"{_plain(heading)}-{_plain(caption)}.wav"


def _plain(text: str) -> str:
    return "_".join("".join(one if one.isalnum() or one == "-" else " " for one in text.lower()).split())[:LONGEST]
