import { describe, expect, test } from 'vitest';
import { MemoryAttributes } from '../../../src/memory-attributes.ts';
import { complaintsOf } from '../../../test/inputs/complaints.ts';
import type { LayoutRegion } from './layout.ts';
import { readLayout } from './read-layout.ts';

const { ExecuteProtect, ReadOnly, Supervisor, Uncached, Writeback, WriteCombining, WriteThrough } =
  MemoryAttributes;

function textOf(head: string, region: string): string {
  return `architecture: aarch64\n${head}\nregions:\n  - { name: r, base: 1M, size: 1M, ${region} }\n`;
}

function regionOf(region: string, head = 'regime: el1'): LayoutRegion {
  return readLayout('f', textOf(head, region)).regions[0] as LayoutRegion;
}

/** Everything that is wrong, as "line:column message". */
function complaintsAbout(text: string): string[] {
  return complaintsOf(() => readLayout('f', text)).map(
    ({ line, column, message }) => `${line}:${column} ${message}`,
  );
}

/** The one thing that is wrong with a region. */
function complaintOf(region: string, head = 'regime: el1'): string {
  const complaints = complaintsAbout(textOf(head, region));
  expect(complaints).toHaveLength(1);
  return complaints[0] as string;
}

const rights = (letters: string) => ({
  read: letters.includes('r'),
  write: letters.includes('w'),
  execute: letters.includes('x'),
});

describe('what EL0 may do', () => {
  test.each([
    ['user: rx, attributes: [read-only, execute-protect]', 'rx'],
    ['user: r, attributes: [read-only]', 'r'],
    ['user: rw, attributes: [execute-protect]', 'rw'],
    ['user: rwx, attributes: [execute-protect]', 'rwx'],
    ['user: x', 'x'],
    ['user: x, attributes: [execute-protect]', 'x'],
    ['user: true, attributes: [read-only]', 'rx'],
    ['user: true, attributes: [execute-protect]', 'rw'],
  ])('%s: EL0 has %s', (region, letters) => {
    for (const head of ['regime: el1', 'regime: el2-vhe']) {
      expect(regionOf(region, head).aarch64?.user).toEqual(rights(letters));
      expect(regionOf(region, head).attributes & Supervisor).toBe(0);
    }
  });

  test.each(['none', 'false'])('user: %s is the attribute supervisor', (word) => {
    const { attributes, aarch64 } = regionOf(`user: ${word}, attributes: [read-only]`);
    expect(aarch64?.user).toEqual(rights(''));
    expect(attributes).toBe(ReadOnly | Supervisor | Writeback);
  });

  test('that is not said is not declared', () => {
    expect(regionOf('attributes: [read-only]').aarch64).toBeUndefined();
  });

  test.each([
    ['user: rw, attributes: [read-only, execute-protect]', 'user rw: EL0 cannot write what is read-only'],
    ['user: rwx, attributes: [read-only, execute-protect]', 'user rwx: EL0 cannot write what is read-only'],
    ['user: r, attributes: [execute-protect]', 'if it may read (AP): say rw, or make the region read-only'],
    ['user: rx', 'if it may read (AP): say rwx, or make the region read-only'],
    ['user: rw', 'user rw: what EL0 may write the privileged level never executes'],
    ['user: true', 'user true: what EL0 may write the privileged level never executes'],
    ['user: r, attributes: [read-only, read-protect]', 'read-protect memory is not mapped for anybody'],
    ['user: x, attributes: [supervisor]', 'the attribute supervisor keeps EL0 out'],
  ])('%s: no descriptor can say that', (region, message) => {
    expect(complaintOf(region)).toContain(message);
    expect(complaintOf(region)).toMatch(/^4:42 region "r": user /);
  });

  test.each([
    ['el2', 'EL2 has no EL0'],
    ['el3', 'EL3 has no EL0'],
    ['stage2', 'stage 2 does not tell EL0 from EL1: say guest'],
  ])('%s: %s', (regime, message) => {
    for (const word of ['rw', 'none', 'true']) {
      const region = `user: ${word}, attributes: [execute-protect]`;
      expect(complaintOf(region, `regime: ${regime}`)).toBe(`4:42 region "r": user ${word}: ${message}`);
    }
  });

  test('a word that is none is answered with those that there are', () => {
    expect(complaintOf('user: w')).toBe(
      '4:42 unknown user permission: "w" (did you mean "rw"?); expected true, false, none, r, rw, x, rx, rwx',
    );
  });
});

describe('what a guest may do', () => {
  test.each([
    ['none', ReadOnly | ExecuteProtect],
    ['r', ReadOnly | ExecuteProtect],
    ['w', ExecuteProtect],
    ['rw', ExecuteProtect],
    ['x', ReadOnly],
    ['rx', ReadOnly],
    ['wx', 0],
    ['rwx', 0],
  ])('guest: %s is said of stage 2, and stands for attributes too', (word, attributes) => {
    const region = regionOf(`guest: ${word}`, 'regime: stage2');
    expect(region.aarch64?.guest).toEqual(rights(word));
    expect(region.attributes).toBe(attributes | Writeback);
  });

  test('is not said with attributes that say the same, nor of a regime that is no guest’s', () => {
    for (const attribute of ['read-only', 'execute-protect', 'read-protect']) {
      expect(complaintOf(`guest: rw, attributes: [${attribute}]`, 'regime: stage2')).toBe(
        `4:43 region "r": guest rw: a region has this, or the attribute "${attribute}"`,
      );
    }
    for (const regime of ['el1', 'el2', 'el2-vhe', 'el3']) {
      expect(complaintOf('guest: rw', `regime: ${regime}`)).toMatch(
        /^4:43 region "r": guest rw: EL.* is no guest's/,
      );
    }
    expect(complaintOf('guest: true', 'regime: stage2')).toMatch(/^4:43 unknown guest permission: "true"/);
  });

  test('must not be to execute a device', () => {
    const device = 'memoryType: device-nGnRE';
    expect(regionOf(`guest: rw, ${device}`, 'regime: stage2').aarch64?.memoryType).toBe('device-nGnRE');
    expect(complaintOf(`guest: rwx, ${device}`, 'regime: stage2')).toContain(
      'device-nGnRE memory must not be executed: guest rwx has x',
    );
  });
});

describe('memory types', () => {
  test.each([
    ['device-nGnRnE', Uncached],
    ['device-nGnRE', Uncached],
    ['device-nGRE', Uncached],
    ['device-GRE', Uncached],
    ['normal-non-cacheable', WriteCombining],
    ['normal-write-through', WriteThrough],
    ['normal-write-back', Writeback],
  ])('%s stands for its cache attribute too', (memoryType, attribute) => {
    for (const regime of ['el1', 'el2', 'el2-vhe', 'el3', 'stage2']) {
      const region = regionOf(
        `memoryType: ${memoryType}, attributes: [execute-protect]`,
        `regime: ${regime}`,
      );
      expect(region.attributes).toBe(attribute | ExecuteProtect);
      expect(region.aarch64?.memoryType).toBe(memoryType);
    }
  });

  test('contradict a cache attribute, even the same one', () => {
    expect(complaintOf('memoryType: normal-write-back, attributes: [writeback]')).toBe(
      '4:48 memory type "normal-write-back" and attribute "writeback": a region has one of them',
    );
  });

  test('that are not known are answered with a suggestion', () => {
    expect(complaintOf('memoryType: device-nGnrE, attributes: [execute-protect]')).toMatch(
      /^4:48 unknown memory type: "device-nGnrE" \(did you mean "device-nGnRE"\?\); expected device-nGnRnE, /,
    );
  });

  test('of devices must not be executed by anybody', () => {
    expect(complaintOf('memoryType: device-GRE')).toBe(
      '4:48 region "r": device-GRE memory must be execute-protect on aarch64',
    );
    expect(complaintOf('memoryType: device-GRE, user: x, attributes: [execute-protect]')).toContain(
      'device-GRE memory must not be executed by EL0',
    );
  });
});

describe('shareability', () => {
  test.each(['none', 'outer', 'inner'])('%s is declared', (share) => {
    expect(regionOf(`share: ${share}`).aarch64?.share).toBe(share);
    expect(regionOf(`share: ${share}, memoryType: normal-write-through`).aarch64?.share).toBe(share);
  });

  test.each([
    ['memoryType: device-nGnRE, attributes: [execute-protect]', 'device-nGnRE'],
    ['memoryType: normal-non-cacheable', 'normal-non-cacheable'],
    ['attributes: [uncached, execute-protect]', 'uncached'],
    ['attributes: [write-combining]', 'write-combining'],
  ])('of memory that ignores SH is refused: %s', (region, what) => {
    expect(complaintOf(`share: inner, ${region}`)).toBe(
      `4:43 share inner: ${what} memory is outer shareable whatever its descriptors say`,
    );
  });
});

describe('global, pageSize and physical', () => {
  test('are declared where the regime has them', () => {
    expect(regionOf('global: false, pageSize: 2M, physical: 4G')).toMatchObject({
      firstPage: 0x100,
      firstFrame: 0x10_0000,
      aarch64: { global: false, pageSize: '2M' },
    });
    expect(regionOf('physical: 4G').aarch64).toBeUndefined();
  });

  test.each(['el2', 'el3', 'stage2'])('global is refused in %s, which has no ASIDs', (regime) => {
    expect(complaintOf('global: true', `regime: ${regime}`)).toMatch(/^4:44 global: .* has no ASIDs/);
  });

  test('a page size of another granule is refused', () => {
    const head = 'granule: 64K';
    expect(regionOf('pageSize: 512M', head).aarch64?.pageSize).toBe('512M');
    expect(complaintOf('pageSize: 2M', head)).toBe(
      '4:46 pageSize 2M: with the granule 64K pages and blocks have 64K, 512M',
    );
  });

  test('a physical address is a multiple of the granule and within the declared size', () => {
    expect(complaintOf('physical: 0x1001000', 'granule: 16K')).toBe(
      '4:46 physical 0x1001000 is not a multiple of 16384 (0x4000)',
    );
    expect(complaintOf('physical: 0xFFFFF0000', 'paBits: 36')).toBe(
      '4:46 physical 0xfffff0000: 0x10000effff is no 36-bit physical address',
    );
    expect(complaintOf('physical: 0xFFFFFFFFFFFFF000')).toContain('is no 48-bit physical address');
    expect(regionOf('physical: 0xFFFFF0000', 'paBits: 40').firstFrame).toBe(0xfff_ff0);
  });
});

describe('of memory that is not mapped', () => {
  test.each([
    ['share: inner', '4:43 region "r": share inner: read-protect memory is not mapped'],
    ['pageSize: 4K', '4:46 region "r": pageSize 4K: read-protect'],
    ['global: true', '4:44 region "r": global true: read-protect'],
    ['memoryType: normal-write-through', '4:48 region "r": memoryType normal-write-through: read-protect'],
  ])('%s says nothing', (keys, message) => {
    expect(complaintOf(`${keys}, attributes: [read-protect]`)).toContain(message);
  });

  test('or that nobody may touch, the type says nothing', () => {
    expect(complaintOf('guest: none, memoryType: normal-write-back', 'regime: stage2')).toBe(
      '4:43 region "r": guest none: no access shows that the memory is normal-write-back',
    );
    expect(regionOf('guest: none, share: outer', 'regime: stage2').aarch64?.share).toBe('outer');
  });
});

describe('supervisor', () => {
  test('says nothing where there is no EL0, and cannot be said of stage 2', () => {
    for (const regime of ['el2', 'el3']) {
      expect(regionOf('attributes: [supervisor]', `regime: ${regime}`).attributes).toBe(Writeback);
    }
    expect(complaintOf('attributes: [supervisor]', 'regime: stage2')).toBe(
      '4:49 region "r": stage 2 does not tell EL0 from EL1, so nothing can be supervisor',
    );
  });
});
