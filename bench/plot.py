"""Curves as SVG, for the benchmarks here: axes with a grid, lines, a legend. Nothing but Python's own library."""
import html

STYLE = ("text{font:13px sans-serif;fill:#222}.title{font-weight:bold}.grid{stroke:#ddd}"
         ".limit{stroke:#999;stroke-dasharray:2 3;fill:none}")
SIDE = 400  # of a pair of axes


class Axes:
    """One pair of axes. `place_x` and `place_y` map a value to 0..1; what is left of 0 is cut where it crosses."""

    def __init__(self, title, x, y, place_x, place_y):
        """`x` and `y`: (what is measured, [(value, its label)])."""
        self.place_x, self.place_y = place_x, place_y
        self.out = [f'<text x="{SIDE / 2}" y="-14" text-anchor="middle" class="title">{html.escape(title)}</text>']
        for value, label in x[1]:
            at = SIDE * place_x(value)
            self.out.append(f'<path d="M{at:.1f} 0V{SIDE}" class="grid"/>'
                            f'<text x="{at:.1f}" y="{SIDE + 18}" text-anchor="middle">{label}</text>')
        for value, label in y[1]:
            at = SIDE - SIDE * place_y(value)
            self.out.append(f'<path d="M0 {at:.1f}H{SIDE}" class="grid"/>'
                            f'<text x="-8" y="{at + 4:.1f}" text-anchor="end">{label}</text>')
        self.names = (f'<path d="M0 0V{SIDE}H{SIDE}" fill="none" stroke="#333"/>'
                      f'<text x="{SIDE / 2}" y="{SIDE + 40}" text-anchor="middle">{html.escape(x[0])}</text>'
                      f'<text transform="translate(-52 {SIDE / 2}) rotate(-90)" text-anchor="middle">{html.escape(y[0])}</text>')

    def path(self, points):
        shown = [(self.place_x(x), self.place_y(y)) for x, y in points]
        inside = [p for p in shown if p[0] >= 0]
        before = [p for p in shown if p[0] < 0]
        if before:
            inside.insert(0, (0, before[-1][1]))
        return "M" + "L".join(f"{SIDE * x:.1f} {SIDE - SIDE * y:.1f}" for x, y in inside)

    def line(self, points, colour, dashes="", marks=False):
        self.out.append(f'<path d="{self.path(points)}" fill="none" stroke="{colour}" stroke-width="2" '
                        f'stroke-dasharray="{dashes}"/>')
        for x, y in points if marks else []:
            self.out.append(f'<circle cx="{SIDE * self.place_x(x):.1f}" cy="{SIDE - SIDE * self.place_y(y):.1f}" r="3.5" '
                            f'fill="{colour}"/>')

    def limit(self, points):
        """A thin dotted line: chance, a limit."""
        self.out.append(f'<path class="limit" d="{self.path(points)}"/>')

    def at(self, x, y):
        return [f'<g transform="translate({x} {y})">', *self.out, self.names, "</g>"]


def picture(axes, legend):
    """SVG of one or two Axes side by side. `legend`: [(colour, dashes, words)]; a colour of None is a line of text."""
    width, height = 90 + 470 * len(axes), 500 + 20 * len(legend)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
             f'<style>{STYLE}</style><rect width="{width}" height="{height}" fill="#fff"/>']
    for i, one in enumerate(axes):
        lines += one.at(80 + 480 * i, 40)
    for i, (colour, dashes, words) in enumerate(legend):
        y = 506 + 20 * i
        if colour:
            lines.append(f'<path d="M85 {y}h36" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
        lines.append(f'<text x="{130 if colour else 85}" y="{y + 4}">{html.escape(words)}</text>')
    return "\n".join([*lines, "</svg>", ""])
