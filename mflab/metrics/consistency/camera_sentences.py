"""Findings about order and stray views as sentences."""

from collections.abc import Mapping, Sequence

from mflab.metrics.consistency.camera_order import OrderCheck


def order_sentence(order: OrderCheck, numbers: Sequence[int]) -> str:
    """What a search over the order of views found; `numbers` are what the views are called."""
    if order.is_reversed:
        return "The images go round the object the other way than the cameras: their order is reversed."
    images = ", ".join(str(numbers[image]) for image in order.order)
    moved = tuple(numbers[camera] for camera in order.moved)
    return (
        f"The images are not in the order of the cameras: cameras {_listed(moved)} have one another's images, "
        f"and the order {images} fits."
    )


def stray_sentence(strays: Mapping[int, int]) -> str:
    """Exchanged views, those that fit another camera, and those that fit none."""
    exchanged = [
        f"cameras {view} and {fits} have one another's images"
        for view, fits in strays.items()
        if view < fits and strays.get(fits) == view
    ]
    moved = [
        f"the image of camera {view} fits camera {fits}"
        for view, fits in strays.items()
        if fits >= 0 and strays.get(fits) != view
    ]
    lost = tuple(view for view, fits in strays.items() if fits < 0)
    if lost:
        cameras = f"camera{'s' if len(lost) > 1 else ''} {_listed(lost)}"
        moved.append(f"the image{'s' if len(lost) > 1 else ''} of {cameras} {'do' if lost[1:] else 'does'} not fit")
    return f"Not all images fit the others: {'; '.join([*exchanged, *moved])}."


def _listed(numbers: tuple[int, ...]) -> str:
    *first, last = (str(number) for number in numbers)
    return f"{', '.join(first)} and {last}" if first else last
