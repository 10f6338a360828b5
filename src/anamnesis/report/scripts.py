"""The drawing code of the pages: Vega, Vega-Lite and Vega-Embed in one script, from the library's own bundle."""

from functools import cache


@cache
def bundle() -> str:
    """JavaScript, about 0.9 MB, that sets `vega`, `vegaLite` and `vegaEmbed`, fit to stand between script tags."""
    import vl_convert

    # Two sequences would end or disturb a script element, whatever string of the code they stand in.
    code: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")
