import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted, formatBytes, formatTable } from '../../../../src/cli/output/table.ts';

test('columns are as wide as their widest cell, numbers stand to the right, nothing trails', () => {
  const columns = [
    { head: 'NAME', cell: (row: readonly [string, number]) => row[0] },
    { head: 'N', cell: (row: readonly [string, number]) => String(row[1]), isNumber: true },
    { head: 'X', cell: () => '' },
  ];
  assert.equal(
    formatTable(columns, [
      ['a', 1],
      ['longer', 100],
    ]),
    'NAME      N  X\na         1\nlonger  100\n',
  );
  assert.equal(formatTable(columns, []), 'NAME  N  X\n');
});

test('sizes are told in the unit that fits', () => {
  const told = [0, 1, 1023, 1024, 1536, 150 * 1024, 5 * 1024 ** 3, 2 ** 60].map(formatBytes);
  assert.deepEqual(told, ['0 B', '1 B', '1023 B', '1.0 KiB', '1.5 KiB', '150 KiB', '5.0 GiB', '1048576 TiB']);
  assert.deepEqual([counted(1, 'tag'), counted(0, 'tag')], ['1 tag', '0 tags']);
});
