"""ffmpeg with several threads: made pictures and sound encoded, decoded, filtered and packed by its own codecs;
the files and the checksums of all frames are the same with and without the library."""

import hashlib
import os

import harness

SECONDS = 240
COMMON = ["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-y"]
EXACT = ["-fflags", "+bitexact", "-flags", "+bitexact", "-threads", "4"]
PICTURE = ["-f", "lavfi", "-i", "testsrc2=size={}:rate=25:duration={}"]
SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:beep_factor=3:sample_rate=44100:duration={}"]


def picture(size, seconds):
    return [*PICTURE[:3], PICTURE[3].format(size, seconds)]


def sound(seconds):
    return [*SOUND[:3], SOUND[3].format(seconds)]


# File name, input, how it is made. Names ending in %03d.EXT stand for one file a frame.
FILES = (
    ("mpeg4.avi", picture("640x360", 4) + sound(4), ["-c:v", "mpeg4", "-q:v", "4", "-bf", "2", "-c:a", "pcm_s16le"]),
    ("ffv1.mkv", picture("320x240", 3) + sound(3), ["-c:v", "ffv1", "-level", "3", "-slices", "12", "-c:a", "flac"]),
    ("mpeg2.ts", picture("480x270", 3) + sound(3), ["-c:v", "mpeg2video", "-b:v", "900k", "-c:a", "mp2"]),
    ("h263.mov", picture("352x288", 3) + sound(3), ["-c:v", "h263", "-c:a", "alac"]),
    ("frame%03d.png", picture("400x300", 1), ["-c:v", "png", "-pred", "mixed"]),
    ("frame%03d.jpg", picture("400x300", 1), ["-c:v", "mjpeg", "-q:v", "3"]),
    ("filtered.nut", picture("320x240", 3), ["-vf", "scale=500:-2,rotate=0.1*t,boxblur=3:1,reverse,unsharp,format=yuv444p",
                                            "-filter_threads", "3", "-c:v", "huffyuv"]),
    ("sound.flac", sound(20), ["-af", "aecho=0.8:0.9:300:0.3,atempo=1.2,aresample=48000:resampler=swr", "-c:a", "flac"]),
    ("sound.wav", sound(20), ["-af", "areverse,lowpass=f=900", "-c:a", "adpcm_ima_wav"]),
)


def make(bench, served, folder):
    """Encodes everything and decodes it again; returns what came of each."""
    found = {}
    for name, source, how in FILES:
        bench.must_run(served, [*COMMON, *source, *EXACT, *how, name], cwd=folder, timeout=SECONDS)
        reading = ["-framerate", "25"] if "%" in name else []
        found[name + " decoded"] = bench.must_run(
            served, [*COMMON, *EXACT, *reading, "-i", name, *EXACT, "-f", "framemd5", "-"], cwd=folder, timeout=SECONDS)
    # From one file into another, by way of both codecs, demuxer and muxer.
    bench.must_run(served, [*COMMON, *EXACT, "-i", "mpeg4.avi", *EXACT, "-c:v", "ffv1", "-c:a", "aac", "again.mkv"],
                   cwd=folder, timeout=SECONDS)
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        found[name] = f"{len(data)} bytes, {hashlib.sha256(data).hexdigest()}".encode()
    return found


def test(bench):
    harness.need("ffmpeg")
    plain, served = (make(bench, served, bench.folder(f"made{int(served)}")) for served in (False, True))
    if plain.keys() != served.keys():
        raise harness.Failure(f"ffmpeg: other files: {sorted(plain.keys() ^ served.keys())}")
    for name, value in plain.items():
        if served[name] != value:
            raise harness.Failure(f"ffmpeg: another {name} than without the library:\n"
                                  + harness.first_difference(value, served[name], name))
        if len(value) < 60:
            raise harness.Failure(f"ffmpeg made nothing of {name}: {value!r}")
    harness.say(f"ffmpeg: {len(plain)} results are the same; {bench.check_who('ffmpeg')} processes, all served by the "
                "library")


harness.main(test)
