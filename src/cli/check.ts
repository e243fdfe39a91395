/** `entrepot check`: everything that can be known of a configuration without asking anybody. */
import { checkConfig } from '../config/check.ts';
import type { LoadOptions } from '../config/load.ts';
import { errorAsJson, type Result } from './result.ts';

export function check(options: LoadOptions): Result {
  const { files, warnings, errors } = checkConfig(options);
  const lines = [
    ...errors.map((error) => located(error, 'error')),
    ...warnings.map((warning) => located(warning, 'warning')),
    ...files.map((file) => `read ${file}`),
    `${counted(errors.length, 'error')}, ${counted(warnings.length, 'warning')}`,
  ];
  return {
    exitCode: errors.length === 0 ? 0 : 2,
    json: {
      files,
      warnings: warnings.map(({ file, line, message }) => ({ file, line: line ?? null, message })),
      errors: errors.map(errorAsJson),
    },
    text: `${lines.join('\n')}\n`,
  };
}

interface Finding {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly message: string;
}

/** `FILE:LINE: error: MESSAGE`, which editors can jump to. */
function located({ file, line, message }: Finding, kind: string): string {
  return (
    [file, line].filter((part) => part !== undefined).join(':') +
    (file === undefined ? '' : ': ') +
    `${kind}: ${message}`
  );
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
