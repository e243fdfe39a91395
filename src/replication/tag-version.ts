/** Versions in tags, and ranges over them. */
import Range from 'semver/classes/range.js';
import SemVer from 'semver/classes/semver.js';

/** One to three numbers, a pre-release, and build metadata: `+` is no character of a tag, so builds stand after `_`. */
const form = /^v?(\d{1,15})(?:\.(\d{1,15}))?(?:\.(\d{1,15}))?(?:-([0-9A-Za-z.-]+))?(?:_([0-9A-Za-z._-]+))?$/;

/** The version of a tag such as `v1.4`, `8.10-1052` or `1.2.3_build4`; undefined for a tag that is no version. Missing numbers are 0. */
export function versionOf(tag: string): SemVer | undefined {
  const match = form.exec(tag);
  if (!match) return undefined;
  const [, major = '0', minor = '0', patch = '0', pre, build] = match;
  const numbers = [major, minor, patch].map(Number).join('.');
  const text = `${numbers}${pre === undefined ? '' : `-${pre}`}${build === undefined ? '' : `+${build.replaceAll('_', '-')}`}`;
  try {
    return new SemVer(text, { loose: true });
  } catch {
    // Such as a pre-release with an empty part.
    return undefined;
  }
}

/** Whether a version is in `range`, a range that the configuration has checked. Pre-releases are in only if the range names one. */
export function versionRange(range: string): (version: SemVer) => boolean {
  // Not by the parsed range: it has pre-releases of its own, such as `<9.0.0-0` for `<9`.
  const includePrerelease = /[\dxX*]-[0-9A-Za-z]/.test(range);
  const read = new Range(range, { includePrerelease });
  return (version) => read.test(version);
}

/** Newest first; builds of one version by their metadata, and what is equal by the name of the tag. */
export function newestVersionFirst(a: VersionedTag, b: VersionedTag): number {
  // The method 'compareBuild' looks at nothing but the metadata.
  const order = b.version.compare(a.version) || b.version.compareBuild(a.version);
  return order || (a.tag < b.tag ? 1 : -1);
}

export interface VersionedTag {
  readonly tag: string;
  readonly version: SemVer;
}
