/** Numbers, sizes and times as people read them. One formatter for each language. */

export interface Format {
  /** `1,234`. */
  count(value: number): string;
  /** `1.4 GiB`, with three digits that count. */
  bytes(value: number): string;
  /** Of a whole: `93.4 %`; a dash where the whole is nothing. */
  share(part: number, whole: number): string;
  /** `230 ms`, `4.2 s`, `3 min`, `5 h`, `12 d`. */
  duration(ms: number): string;
  /** `3 min ago`, `in 2 h`. */
  since(ms: number, now: number): string;
  /** `2026-01-31 14:05:09`, UTC. */
  time(ms: number): string;
  /** `14:05`, UTC. */
  clock(ms: number): string;
}

/** The words that a language adds to a time. */
export interface FormatWords {
  readonly locale: string;
  readonly none: string;
  readonly now: string;
  ago(duration: string): string;
  ahead(duration: string): string;
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
const steps: readonly (readonly [limit: number, divisor: number, unit: string])[] = [
  [60_000, 1000, 's'],
  [3_600_000, 60_000, 'min'],
  [172_800_000, 3_600_000, 'h'],
  [Number.POSITIVE_INFINITY, 86_400_000, 'd'],
];

/** Makes the formatter of a language. */
export function createFormat(words: FormatWords): Format {
  const { locale } = words;
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const three = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
  const percent = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

  function duration(ms: number): string {
    if (ms < 1000) return `${whole.format(ms)} ms`;
    const [, divisor, unit] = steps.find(([limit]) => ms < limit) ?? [0, 86_400_000, 'd'];
    const value = ms / divisor;
    return `${unit === 's' && value < 10 ? three.format(Math.round(value * 10) / 10) : whole.format(Math.floor(value))} ${unit}`;
  }

  return {
    count: (value) => whole.format(value),
    bytes(value) {
      const power = value < 1 ? 0 : Math.min(Math.floor(Math.log2(value) / 10), units.length - 1);
      const scaled = value / 1024 ** power;
      return `${scaled >= 1000 ? whole.format(scaled) : three.format(scaled)} ${units[power]}`;
    },
    share: (part, all) => (all > 0 ? `${percent.format((part / all) * 100)} %` : words.none),
    duration,
    since(ms, now) {
      const away = now - ms;
      if (Math.abs(away) < 1000) return words.now;
      const whole = duration(Math.floor(Math.abs(away) / 1000) * 1000);
      return away > 0 ? words.ago(whole) : words.ahead(whole);
    },
    time: (ms) => new Date(ms).toISOString().slice(0, 19).replace('T', ' '),
    clock: (ms) => new Date(ms).toISOString().slice(11, 16),
  };
}
