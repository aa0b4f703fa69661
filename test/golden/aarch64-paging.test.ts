import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { aarch64PagingDriver } from './aarch64-paging.ts';
import { AARCH64_PAGING_DEVIATIONS } from './aarch64-paging-deviations.ts';
import { replayFile } from './replay.ts';
import { type Op, type Result, readVectorFile, type Script, type VectorFile } from './script.ts';

const REGIMES = ['el1and0', 'el2and0', 'el2', 'el3', 'stage2'] as const;

function vectors(regime: string): VectorFile {
  return readVectorFile(join(import.meta.dirname, 'vectors', `aarch64-paging-${regime}.json.gz`));
}

describe('aarch64-paging vectors', () => {
  test.each([
    ['el1and0', 147, 30],
    ['el2and0', 154, 23],
    ['el2', 148, 20],
    ['el3', 155, 13],
    ['stage2', 148, 19],
  ])('%s: the engine answers as the original', (regime, passed, deviations) => {
    const report = replayFile(vectors(regime), aarch64PagingDriver);
    expect(report.failures).toEqual([]);
    expect(report).toMatchObject({ passed, failed: 0, deviations });
  });

  test('every rule by which the engine deviates is used by some vector', () => {
    const used = REGIMES.flatMap((regime) => [
      ...replayFile(vectors(regime), aarch64PagingDriver).rules.keys(),
    ]);
    expect([...new Set(used)].sort()).toEqual(AARCH64_PAGING_DEVIATIONS.map(({ rule }) => rule).sort());
  });
});

describe('a rule explains nothing but what it is about', () => {
  const begin = { regime: 'el1and0', kind: 'explicit', root: 1, va: 'upper' };
  function replayed(ops: readonly Op[], expected: readonly Result[]) {
    const script: Script = {
      id: 'made',
      begin,
      beginExpect: { ok: '0x8000000000' },
      ops,
      expect: expected,
      root: '0x100000000',
      tables: null,
    };
    return replayFile({ crate: 'aarch64-paging', config: 'made', scripts: [script] }, aarch64PagingDriver);
  }
  const map = (start: string, end: string, address: string, flags: string): Op => [
    'map',
    start,
    end,
    address,
    flags,
    0,
  ];
  const ok = { ok: true };

  test('a walk in the last root entry may differ, one before it may not', () => {
    const walk: Op = ['walk', '0xffffffffbffff000', '0xffffffffc0000000'];
    const last: Op = ['walk', '0xffffffffc0000000', '0xffffffffc0001000'];
    expect(replayed([last], [{ ok: [] }])).toMatchObject({ failed: 0, deviations: 1 });
    expect(replayed([walk], [{ ok: [] }])).toMatchObject({ failed: 1, deviations: 0 });
  });

  test('an output address beyond 48 bits may be refused, one within may not', () => {
    const [start, end] = ['0xffffff8000000000', '0xffffff8000001000'];
    expect(replayed([map(start, end, '0x1000000000000', '0x705')], [ok])).toMatchObject({ deviations: 1 });
    const within = [map(start, end, '0xfffffffff000', '0x705')];
    expect(replayed(within, [{ err: 'PhysAddrNotValid' }])).toMatchObject({ failed: 1 });
  });

  test('making an invalid page valid may be refused, making it writable may not', () => {
    const modify = (set: string): Op => ['modify', '0xffffff8000000000', '0xffffff8000001000', set, '0x0', 0];
    expect(replayed([modify('0x1')], [ok])).toMatchObject({ failed: 0, deviations: 1 });
    expect(replayed([modify('0x80')], [{ err: 'PteUpdateFault' }])).toMatchObject({ failed: 1 });
  });
});
