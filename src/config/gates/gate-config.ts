/** `[[gate]]`: checks before the manifest of an image is answered. */
import type { Policy } from './policy.ts';
import type { Lookasides } from './registries-d.ts';

/** What a gate is asked for: pulls of clients, and images that `[[sync]]` blocks and events bring. */
export const gateOccasions = ['pull', 'sync'] as const;
export type GateOccasion = (typeof gateOccasions)[number];

/** Least first. `unknown` is what a scanner gives no severity for. */
export const severities = ['unknown', 'negligible', 'low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof severities)[number];

/** The API of a scanner: the webhook of docs/gates.md, or Clair v4. */
export const scannerFormats = ['webhook', 'clair'] as const;
export type ScannerFormat = (typeof scannerFormats)[number];

interface AnyGate {
  /** Of this gate alone: verdicts, metrics and refusals have it. */
  readonly name: string;
  /** Glob over `registry/repository`. */
  readonly match: string;
  /** At least one. */
  readonly on: readonly GateOccasion[];
  /** Milliseconds for one check. */
  readonly timeout: number;
  /** Milliseconds that a verdict counts without another check. */
  readonly keep: number;
}

/** `kind = "signature"`. Paths are absolute. */
export interface SignatureGate extends AnyGate {
  readonly kind: 'signature';
  /** containers-policy.json(5). */
  readonly policy: string;
  /** Folder of containers-registries.d(5); it need not exist. */
  readonly registriesD: string;
  /** Whether bundles of cosign 3 count, which name no repository: `signedIdentity` is not compared with them. */
  readonly bundles: boolean;
}

/** `kind = "scanner"`. Paths are absolute. */
export interface ScannerGate extends AnyGate {
  readonly kind: 'scanner';
  readonly format: ScannerFormat;
  /** Of the webhook, or the address below which Clair has its paths. */
  readonly url: string;
  /** File with the value of `Authorization`. */
  readonly secretFile: string | undefined;
  /** What holds where the scanner gives no verdict. */
  readonly fail: 'open' | 'closed';
  /** Vulnerabilities of this severity or a higher one refuse an image. */
  readonly severity: Severity;
  /** Vulnerabilities that refuse no image, such as `CVE-2024-0001`. */
  readonly ignore: readonly string[];
  /** URL of this server for scanners that fetch layers themselves, without a slash at its end. */
  readonly contentUrl: string | undefined;
  /** File with the value of `Authorization` that such a scanner sends here. */
  readonly contentSecretFile: string | undefined;
}

export type GateConfig = SignatureGate | ScannerGate;

/** With what its files hold. */
export type LoadedGate =
  | ScannerGate
  | (SignatureGate & {
      readonly rules: Policy;
      readonly lookasides: Lookasides;
    });
