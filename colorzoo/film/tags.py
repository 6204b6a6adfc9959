"""What a film says about itself, such as its title, place and camera: what is kept, and how."""

from collections.abc import Mapping
from typing import BinaryIO

# Tags about the file or its encoder, which are untrue of the result: in general, and of FLV, ASF
# and MXF. FFmpeg writes its own instead, where there is one.
_UNTRUE = frozenset(
    """
    major_brand minor_version compatible_brands encoder encoding_tool encoder_settings
    rotate rotation orientation com.apple.quicktime.video-orientation
    com.apple.quicktime.encoder duration bitrate bit_rate filesize
    width height framerate videocodecid videodatarate audiocodecid audiodatarate audiosamplerate
    audiosamplesize audiosize videosize datasize stereo hasvideo hasaudio hasmetadata
    haskeyframes canseektoend cansseektoend lasttimestamp lastkeyframetimestamp
    lastkeyframelocation metadatacreator metadatadate totalduration totaldatarate bytelength
    wmfsdkversion wmfsdkneeded isvbr deviceconformancetemplate
    uid generation_uid product_uid product_name product_version application_platform toolkit_version
    company_name operational_pattern_ul material_package_umid modification_date
    """.split()
)

# The tags that MP4 and MOV can contain in the way that most programs read. Others need names that
# are free to choose, and then all of them are written in that way, which fewer programs read.
_COMMON = frozenset({"title", "artist", "album", "date", "comment", "genre", "copyright"})
_NAMED = {
    "mp4": _COMMON
    | {"location", "creation_time", "timecode", "album_artist", "composer", "grouping", "lyrics"}
    | {"description", "synopsis", "show", "episode_id", "network", "keywords", "hd_video", "track"},
    "mov": _COMMON | {"location", "creation_time", "timecode", "make", "model"},
}


def kept_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a film that are true of its coloured version.

    Args:
        tags: The tags of the source, as PyAV returns them.
    """
    return {
        key: text
        for key, text in tags.items()
        if text and key.lower() not in _UNTRUE and not _is_repeated(key, text, tags)
    }


def options_for(tags: Mapping[str, str], kind: str) -> dict[str, str]:
    """Return FFmpeg's options with which a container can contain the tags."""
    names = _NAMED.get(kind)
    if names is None or {key.lower() for key in tags} <= names:
        return {}
    return {"movflags": "use_metadata_tags"}


def lost_tags(tags: Mapping[str, str], written: BinaryIO) -> list[str]:
    """Return the names of tags that are not in a film that was written.

    Raises:
        FFmpegError: If the film cannot be read.
    """
    import av

    written.seek(0)
    with av.open(written, "r", metadata_errors="replace") as film:
        found = {key.lower() for key in film.metadata}
        found.update(key.lower() for stream in film.streams for key in stream.metadata)
    return [key for key in tags if key.lower() not in found]


def _is_repeated(key: str, text: str, tags: Mapping[str, str]) -> bool:
    """Tell whether FFmpeg returns a tag a second time, with its language, such as title-eng."""
    name, _, language = key.rpartition("-")
    return len(language) == 3 and tags.get(name) == text
