"""How finely int8 products are quantized: in how many steps, weights and activations.

Where sums of two products saturate in 16 bits, both make do with less: 181 x 90, twice, is 32,580, and 32,767 is the
end. An activation beyond what calibration saw may still go further. Of splits of these 15 bits this one lost least:
with 255 x 64, 4 of all-MiniLM-L6-v2's products had to stay fp32, with 181 x 90 one (docs/benchmarks.md).
"""

from shortlist.server import cores

REDUCED = cores.saturates(cores.processor())
WEIGHT = 90 if REDUCED else 127  # the largest, to either side of 0
ACTIVATION = 181 if REDUCED else 255  # the largest, from 0
PRECISION = f"int8 in {ACTIVATION} x {WEIGHT} steps" if REDUCED else "int8"
