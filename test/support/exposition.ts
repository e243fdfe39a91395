/** What `/metrics` says, read back: the text format of Prometheus, as far as the program writes it. */

export interface Metric {
  readonly type: string;
  /** Names of labels that its samples bear, but for the `le` of a histogram's buckets. */
  readonly labels: ReadonlySet<string>;
  readonly samples: number;
}

/** By the names that queries use: a histogram is there as `_bucket`, `_sum` and `_count`. */
export function readExposition(text: string): ReadonlyMap<string, Metric> {
  const metrics = new Map<string, { type: string; labels: Set<string>; samples: number }>();
  for (const line of text.split('\n')) {
    const [, declared = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (declared !== '') {
      const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      for (const suffix of suffixes) metrics.set(declared + suffix, { type, labels: new Set(), samples: 0 });
    }
    const [, name = '', labels = ''] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    if (name === '') continue;
    const metric = metrics.get(name);
    if (!metric) throw new Error(`a sample without a type: ${line}`);
    metric.samples += 1;
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) if (label !== 'le') metric.labels.add(label);
  }
  return metrics;
}
