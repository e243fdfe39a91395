/** Where spans go, and how many. */
export interface TracingSettings {
  /** URL of a collector for OTLP over HTTP, with its path. */
  readonly endpoint: string;
  /** Share (0..1) of the traces that are sent. */
  readonly sample: number;
  /** `service.name` of the spans. */
  readonly service: string;
  /** Absolute path of a file with headers of the requests to the collector, a line `Name: value` each. */
  readonly headersFile: string | undefined;
}
