import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { checkConfig } from '../../../src/config/check.ts';
import { ownAddressWarnings } from '../../../src/config/own-address.ts';
import { loadRegistries } from '../../../src/config/registries-conf/load.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const machine = () => ({ hostname: 'Node1.corp', addresses: ['10.0.0.7', 'fe80::1', '127.0.0.1'] });

/** `LINE: message` for a mirror at `location` of a server that listens there. */
function warnings(t: TestContext, listen: [host: string, port: number], location: string): string[] {
  const file = join(tempFolder(t), 'registries.conf');
  writeFileSync(
    file,
    `[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "${location}"\ninsecure = true\n`,
  );
  const { registries } = loadRegistries({ registries: file, env: {}, home: '/', uid: 0 });
  const [host, port] = listen;
  return ownAddressWarnings(registries, { listen: { host, port } }, machine).map((warning) => {
    assert.equal(warning.file, file);
    return `${warning.line}: ${warning.message}`;
  });
}

describe('a mirror that is the address of this server', () => {
  const own: [listen: [string, number], location: string][] = [
    [['127.0.0.1', 5000], '127.0.0.1:5000'],
    [['127.0.0.1', 5000], 'localhost:5000/docker.io'],
    [['::1', 5000], 'localhost:5000'],
    [['0.0.0.0', 5000], 'localhost:5000'],
    [['0.0.0.0', 5000], '10.0.0.7:5000'],
    [['::', 5000], 'node1.corp:5000'],
    [['10.0.0.7', 443], '10.0.0.7'],
    [['m1.corp', 5000], 'M1.corp:5000'],
  ];
  for (const [listen, location] of own) {
    it(`is warned about: ${location} where it listens on ${listen.join(':')}`, (t) => {
      const [found = '', ...others] = warnings(t, listen, location);
      assert.match(found, /^4: the mirror ".*" of "docker\.io" is the address on which this server listens/);
      assert.deepEqual(others, []);
    });
  }

  const other: [listen: [string, number], location: string][] = [
    [['127.0.0.1', 5000], '127.0.0.1:5001'],
    [['127.0.0.1', 5000], '10.0.0.7:5000'],
    [['10.0.0.7', 5000], 'localhost:5000'],
    [['0.0.0.0', 5000], '10.0.0.8:5000'],
    [['0.0.0.0', 0], 'localhost:5000'],
    [['10.0.0.7', 5000], '10.0.0.7'],
  ];
  for (const [listen, location] of other) {
    it(`is not ${location} where it listens on ${listen.join(':')}`, (t) => {
      assert.deepEqual(warnings(t, listen, location), []);
    });
  }
});

it('check warns of a source that is the default address, unless another one is in force or it is blocked', (t) => {
  const root = tempFolder(t);
  const registries = join(root, 'registries.conf');
  const found = (text: string, listen?: string) => {
    writeFileSync(registries, text);
    const flags = { registries, listen };
    const { warnings } = checkConfig({ flags, env: {}, home: root, uid: 1000, cwd: root, root });
    return warnings.map(({ line, message }) => `${line}: ${message}`);
  };
  const source = '[[registry]]\nprefix = "docker.io"\nlocation = "localhost:5000"\n';
  assert.match(found(source)[0] ?? '', /^3: the location "localhost:5000" of "docker\.io" is the address/);
  assert.deepEqual(found(source, '127.0.0.1:5001'), []);
  assert.deepEqual(found(`${source}blocked = true\n`), []);
});
