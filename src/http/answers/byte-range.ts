/**
 * Byte ranges (RFC 9110, section 14). A malformed Range header, or one that asks for the same bytes twice, is ignored: the
 * answer is then the whole content with 200, which every client can use. Ranges are neither merged nor sorted, because podman
 * expects the parts of a multipart answer in the order of its request.
 */
import type { ByteRange } from '../../lib/bytes/byte-range.ts';
import type { RangeSpec } from '../../routing/target.ts';

export type RangePlan =
  | { readonly kind: 'whole' }
  | { readonly kind: 'unsatisfiable' }
  | { readonly kind: 'single'; readonly range: ByteRange }
  | { readonly kind: 'multiple'; readonly ranges: readonly ByteRange[] };

/** podman asks for up to 1024 missing pieces of a zstd:chunked layer at once. */
const maxRanges = 1024;
const unit = 'bytes=';

/** The specs of a Range header; undefined if it is absent or to be ignored. The size is not known yet. */
export function parseRange(header: string | undefined): readonly RangeSpec[] | undefined {
  if (header === undefined || header.slice(0, unit.length).toLowerCase() !== unit) return undefined;
  const specs: RangeSpec[] = [];
  for (const item of header.slice(unit.length).split(',')) {
    const text = item.trim();
    if (text === '') continue;
    const spec = parseSpec(text);
    if (!spec || specs.length === maxRanges) return undefined;
    specs.push(spec);
  }
  return specs.length === 0 ? undefined : specs;
}

/** The bytes that answer these specs, of a content of `size` bytes; `size` undefined: not known. */
export function planRanges(specs: readonly RangeSpec[] | undefined, size: number | undefined): RangePlan {
  // No range of an empty content is satisfiable, but some clients send `bytes=0-` with every request.
  if (specs === undefined || size === undefined || size === 0) return { kind: 'whole' };
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const start = 'suffix' in spec ? Math.max(0, size - spec.suffix) : spec.start;
    const end = 'suffix' in spec ? size : Math.min(spec.end ?? size, size);
    if (start < end) ranges.push({ start, end });
  }
  const [first] = ranges;
  if (first === undefined) return { kind: 'unsatisfiable' };
  if (ranges.length === 1) return { kind: 'single', range: first };
  return overlap(ranges) ? { kind: 'whole' } : { kind: 'multiple', ranges };
}

function parseSpec(text: string): RangeSpec | undefined {
  const dash = text.indexOf('-');
  if (dash < 0) return undefined;
  const first = text.slice(0, dash);
  const last = text.slice(dash + 1);
  if (!isDigits(first) || !isDigits(last)) return undefined;
  if (first === '') return last === '' ? undefined : { suffix: toOffset(last) };
  const start = toOffset(first);
  if (last === '') return { start };
  const end = toOffset(last) + 1;
  return end <= start ? undefined : { start, end };
}

function isDigits(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}

/** Offsets that a number cannot hold exactly all become the same one, beyond every end. */
function toOffset(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER - 1);
}

/** With overlapping ranges, a small request could ask for a very large answer. */
function overlap(ranges: readonly ByteRange[]): boolean {
  const ordered = ranges.toSorted((a, b) => a.start - b.start);
  let reached = 0;
  for (const range of ordered) {
    if (range.start < reached) return true;
    reached = range.end;
  }
  return false;
}
