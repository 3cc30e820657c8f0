"""Which tile is chosen, by what is free."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.engines.catalogue import Enlarging
from faceguard.engines.errors import NoRoom
from faceguard.engines.upscaling.admission import Admission
from faceguard.engines.upscaling.best_tile import Takes, best_tile, least_tile, usual_pixels
from faceguard.engines.upscaling.footprint import Footprint, Key, Measure, Need, work_pixels
from faceguard.engines.upscaling.limits import Limit
from faceguard.engines.upscaling.tile import Tile
from faceguard.engines.upscaling.tiles import cut

MIB = 1 << 20
PLENTY = 1 << 40
BYTES_A_PIXEL = 1000


def footprint() -> Footprint:
    key = Key(sha256="0" * 64, form="plain", runtime="some 1.0", threads=2, device="some")
    nothing = Need(resident=0, address=0)
    tiles = tuple(
        Measure(
            pixels=side * side,
            need=Need(
                resident=MIB + BYTES_A_PIXEL * side * side,
                address=MIB + 2 * BYTES_A_PIXEL * side * side,
            ),
        )
        for side in (64, 128, 256)
    )
    return Footprint(key=key, load=nothing, loaded=nothing, tiles=tiles)


class Machine:
    """What is free, as a test says; what is released comes back."""

    def __init__(self, resident: int, address: int | None = None, reserve: int = 0) -> None:
        self.resident = resident
        self.address = address
        self.reserve = reserve
        self.looks = 0
        self.kept = 0

    def limits(self, limit_bytes: int | None) -> list[Limit]:
        self.looks += 1
        found = [
            Limit(self.resident - self.kept, self.reserve, "of this test", "resident", shared=False)
        ]
        if limit_bytes is not None:
            found.append(Limit(limit_bytes, 0, "under --memory-limit", "resident", shared=False))
        if self.address is not None:
            found.append(Limit(self.address, 0, "under RLIMIT_AS", "address", shared=False))
        return found

    def release(self) -> None:
        self.kept = 0


def admission(machine: Machine, *, overlap_px: int = 4, **more: object) -> Admission:
    enlarging = Enlarging(scale=2, colours="luma", overlap_px=overlap_px)
    made = Admission(
        "made-x2",
        enlarging,
        footprint(),
        limits=machine.limits,
        **more,  # type: ignore[arg-type]
    )
    made.release_by(machine.release)
    return made


sides = st.integers(1, 5000)
overlaps = st.integers(0, 64)


@given(sides, sides, st.integers(1, 40), overlaps, st.integers(0, 1 << 20))
def test_a_tile_is_within_the_pixels_and_can_be_cut(width, height, pictures, overlap, pixels):
    asked = (width, height, pictures)
    tile = best_tile(asked, pixels, overlap)
    least = least_tile(asked, overlap)
    assert work_pixels(tile) <= max(pixels, work_pixels(least))
    assert tile.width <= width
    assert tile.height <= height
    assert 1 <= tile.batch <= pictures
    plan = cut(width, height, tile, overlap)
    # The very tile: nothing larger than what was admitted is ever made.
    assert plan.tile_shape[0] <= tile.height
    assert plan.tile_shape[1] <= tile.width


@given(sides, sides, overlaps, st.integers(0, 1 << 18), st.integers(0, 1 << 18))
def test_more_memory_never_computes_more(width, height, overlap, one, other):
    def computed(pixels: int) -> int:
        tile = best_tile((width, height, 1), pixels, overlap)
        return len(cut(width, height, tile, overlap)) * (work_pixels(tile) + 1024)

    least = work_pixels(least_tile((width, height, 1), overlap))
    low, high = sorted((max(one, least), max(other, least)))
    found = computed(high)
    # Where nothing is found within the least pixels, the least tile is taken, whatever it costs.
    assert found <= computed(low)


def test_tiles_of_the_usual_size_and_no_larger():
    chosen = admission(Machine(PLENTY))(4096, 4096)
    assert usual_pixels(4) * 0.9 < chosen.pixels <= usual_pixels(4) == 256 * 256
    # More overlap wants larger tiles: five sixths of a side are kept.
    wide = admission(Machine(PLENTY), overlap_px=32)(3264, 3264)
    assert wide == Tile(384, 384)
    assert admission(Machine(PLENTY))(100, 50) == Tile(100, 50)


def test_small_pictures_go_together_and_large_ones_do_not():
    choose = admission(Machine(PLENTY))
    assert choose(32, 32, 100).batch == 16
    assert choose(32, 32, 3).batch == 3
    assert choose(32, 32).batch == 1
    assert choose(200, 200, 100).batch == 1
    assert choose(1000, 1000, 100).batch == 1


@given(
    st.integers(1, 6000),
    st.integers(1, 6000),
    st.integers(1, 20),
    st.integers(0, 300 * MIB),
    st.none() | st.integers(0, 300 * MIB),
    st.none() | st.integers(1, 300 * MIB),
    st.integers(0, 30 * MIB),
)
def test_what_is_chosen_fits_beside_the_result_or_nothing_is(
    width, height, pictures, resident, address, limit, reserve
):
    machine = Machine(resident, address, reserve)
    choose = admission(machine, memory_limit_bytes=limit)
    result = width * height * pictures * 4 * 3
    least = footprint().need(work_pixels(least_tile((width, height, pictures), 4)))
    if any(least.of(each.kind) + result > each.bytes for each in machine.limits(limit)):
        with pytest.raises(NoRoom, match=r"^[^\n]*raise it by at least \d+ MB[^\n]*$"):
            choose(width, height, pictures)
        return
    need = footprint().need(work_pixels(choose(width, height, pictures)))
    for each in machine.limits(limit):
        assert need.of(each.kind) + result <= each.bytes


def test_refused_with_the_figures():
    choose = admission(Machine(20 * MIB, reserve=8 * MIB))
    with pytest.raises(NoRoom) as refused:
        choose(1024, 1024)
    assert str(refused.value) == (
        "made-x2: the smallest tile (32x32) takes 9.4 MB and the result 12 MB, 8.0 MB are to stay "
        "free, and 20 MB is free of this test; raise it by at least 10 MB, or enlarge less of the "
        "picture"
    )
    assert refused.value.exit_code == 8


def test_the_machines_own_limit_names_who_holds_the_rest():
    limits = [Limit(0, 128 * MIB, "of the machine's memory", "resident", shared=True)]
    enlarging = Enlarging(scale=2, colours="luma", overlap_px=4)
    choose = Admission("made-x2", enlarging, footprint(), limits=lambda _: limits)
    with pytest.raises(NoRoom, match=r"is free of the machine's memory; .*enlarge less") as refused:
        choose(100, 100)
    assert "raise it" not in str(refused.value)


def test_a_result_without_room_is_refused_before_anything_is_computed():
    choose = admission(Machine(100 * MIB))
    choose(1024, 1024)
    with pytest.raises(NoRoom, match=r"the result 192 MB.* 100 MB is free of this test"):
        choose(4096, 4096)


def test_what_would_be_chosen_is_not_taken_for_kept():
    machine = Machine(60 * MIB)
    choose = admission(machine)
    with choose.results_of(12 * MIB):
        first = choose(1024, 1024)
        assert choose.would_choose(64, 64) == Tile(64, 64)
    machine.kept = 45 * MIB
    # What was computed is what is kept, and not what was asked for between.
    with choose.results_of(12 * MIB):
        assert choose(1024, 1024) == first
    assert machine.kept == 45 * MIB


def test_what_is_asked_again_is_kept_and_takes_no_more():
    machine = Machine(60 * MIB)
    choose = admission(machine)
    with choose.results_of(12 * MIB):
        first = choose(1024, 1024)
    # All that it took is kept, and so no longer free.
    machine.kept = 45 * MIB
    with choose.results_of(12 * MIB):
        assert choose(1024, 1024) == first
    assert machine.kept == 45 * MIB
    # Another picture has the memory of the last given back.
    with choose.results_of(3 * MIB):
        choose(512, 512)
    assert not machine.kept


def test_after_a_call_that_broke_off_nothing_is_taken_for_kept():
    machine = Machine(60 * MIB)
    choose = admission(machine)

    def broken_off() -> None:
        with choose.results_of(12 * MIB):
            choose(1024, 1024)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    machine.kept = 45 * MIB
    with choose.results_of(12 * MIB):
        choose(1024, 1024)
    assert not machine.kept


def test_a_kept_tile_is_given_up_where_others_took_the_rest():
    machine = Machine(80 * MIB)
    choose = admission(machine)
    with choose.results_of(12 * MIB):
        first = choose(1024, 1024)
    machine.kept, machine.resident = 50 * MIB, 55 * MIB
    with choose.results_of(12 * MIB):
        second = choose(1024, 1024)
    assert second.pixels < first.pixels
    assert not machine.kept


def test_results_are_counted_as_the_caller_says():
    machine = Machine(40 * MIB)
    choose = admission(machine)
    with choose.results_of(4 * MIB):
        small = choose(1024, 1024)
    with choose.results_of(20 * MIB):
        smaller = choose(1024, 1024)
    with choose.results_of(39 * MIB), pytest.raises(NoRoom, match="the result 39 MB"):
        choose(1024, 1024)
    assert smaller.pixels < small.pixels


def test_half_as_large_where_memory_ran_out_until_it_is_the_smallest():
    choose = admission(Machine(PLENTY))
    first = choose(1024, 1024)
    with choose.smaller():
        second = choose(1024, 1024)
        assert work_pixels(second) <= work_pixels(first) // 2
    assert choose(1024, 1024) == first
    choose(32, 32)
    with pytest.raises(NoRoom, match="which was to fit"), choose.smaller():
        pass


def test_the_tiles_that_an_engine_takes_are_kept_to():
    choose = admission(Machine(PLENTY), takes=Takes(Tile(16, 24), Tile(128, 96, 2)))
    for tile in (choose(1000, 1000), choose(128, 96, 8), choose(20, 20, 8)):
        assert tile.width <= 128
        assert tile.height <= 96
        assert tile.batch <= 2
    assert choose(20, 30, 8) == Tile(20, 30, 2)
    # A picture below the smallest is filled up.
    assert choose(20, 20) == Tile(20, 24)
    # One shape only: whatever is asked.
    fixed = admission(Machine(PLENTY), takes=Takes(Tile(64, 48, 4), Tile(64, 48, 4)))
    for size in ((1000, 1000), (64, 48), (10, 500), (1, 1)):
        assert fixed(*size) == Tile(64, 48, 4)


def test_it_looks_at_this_machine():
    enlarging = Enlarging(scale=2, colours="luma", overlap_px=4)
    choose = Admission("made-x2", enlarging, footprint(), memory_limit_bytes=1)
    with pytest.raises(NoRoom, match="free under --memory-limit 1 B"):
        choose(64, 64)


def every_side(length: int, least: int, most: int, shared: int) -> list[tuple[int, int]]:
    """All ways to cut a side, however little sense they make."""
    found = [(1, length)] if least <= length <= most else []
    for count in range(2, max(2, length - shared) + 1):
        side = -(-(length - shared) // count) + shared
        if max(least, shared + 1) <= side <= most:
            found.append((count, side))
    return found


@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(64, 1 << 16),
    st.integers(0, 20),
    st.booleans(),
)
def test_of_the_highest_tiles_of_each_width_no_other_computes_less(
    width, height, pixels, overlap_px, is_built
):
    # Of an engine whose largest tile leaves something beside the overlap.
    takes = Takes(Tile(16, 24), Tile(64, 96)) if is_built else None
    asked = (width, height, 1)
    least = least_tile(asked, overlap_px, takes)
    width, height = max(width, least.width), max(height, least.height)
    widest, highest = (takes.most.width, takes.most.height) if takes else (width, height)
    heights = every_side(height, least.height, highest, 2 * overlap_px)
    costs = []
    for columns, across in every_side(width, least.width, widest, 2 * overlap_px):
        fitting = [each for each in heights if work_pixels(Tile(across, each[1])) <= pixels]
        if fitting:
            rows, down = fitting[0]
            costs.append(columns * rows * (work_pixels(Tile(across, down)) + 1024))
    found = best_tile(asked, pixels, overlap_px, takes)
    if not costs:
        assert found == least
        return
    assert work_pixels(found) <= pixels
    taken = len(cut(width, height, found, overlap_px)) * (work_pixels(found) + 1024)
    assert taken == min(costs)


@pytest.mark.parametrize("asked", [(32_000_000, 1, 1), (1, 32_000_000, 1), (90_000, 90_000, 1)])
def test_the_search_does_not_grow_with_the_picture(asked, monkeypatch):
    tried = []

    def counted(tile: Tile) -> int:
        tried.append(tile)
        return work_pixels(tile)

    monkeypatch.setattr("faceguard.engines.upscaling.best_tile.work_pixels", counted)
    tile = best_tile(asked, usual_pixels(32), 32)
    assert work_pixels(tile) <= usual_pixels(32)
    assert len(tried) < 3000
