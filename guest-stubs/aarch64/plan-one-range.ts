import type { AArch64Registers } from '../../src/registers.ts';
import { PHYSICAL_ADDRESS_BITS, read, Tcr } from './control-registers.ts';
import { granuleOfTg0, hasLargeDescriptors, rootLevel, spanShift } from './granule.ts';
import {
  ENTRY_BYTES,
  type Installation,
  type ReadMemory,
  type StubPlan,
  unfit,
  withAsidOf,
  withPhysicalSize,
} from './installation.ts';
import { TABLES_OFFSET } from './stub-protocol.ts';
import { StubTables, stageOneAttributes } from './stub-tables.ts';

/**
 * EL2 and EL3: one range. The root is copied and one entry of the copy borrowed for the stub: a free one where there
 * is one. What the borrowed entry maps is probed from the other installation, which borrows another.
 * @param hcrEl2 HCR_EL2 while probes are made
 * @param borrowed the entries to borrow; chosen where absent
 */
export function planOneRange(
  registers: AArch64Registers,
  hcrEl2: bigint,
  readMemory: ReadMemory,
  borrowed?: readonly [number, number],
): StubPlan {
  const granule = granuleOfTg0(read(registers.tcr, Tcr.Tg0));
  if (granule === undefined) throw unfit(registers, 'tcr', 'TG0 is reserved');
  const isLpa2 = hasLargeDescriptors(registers, granule, read(registers.tcr, Tcr.DsEl2));
  const addressBits = 64 - read(registers.tcr, Tcr.T0sz);
  const level = rootLevel(granule, addressBits);
  const maximum = granule.shift === 16 || isLpa2 ? 52 : 48;
  if (addressBits > maximum || level > 2) {
    throw unfit(registers, 'tcr', `the stub cannot be mapped in an address space of ${addressBits} bits`);
  }
  const rootShift = spanShift(granule, level);
  const rootBytes = ENTRY_BYTES * 2 ** (addressBits - rootShift);
  const address = rootAddressOf(registers, rootBytes, isLpa2);
  const root = new Uint8Array(rootBytes);
  readMemory(address, root);
  const slots = borrowed ?? chooseSlots(root);
  const isEl3 = registers.exceptionLevel === 3;

  return {
    copiedRoot: { address, bytes: rootBytes, slots },
    isFetchTypeKnown: true,
    regionLimit: isEl3 ? 2 ** addressBits : Number.POSITIVE_INFINITY,
    installationFor: (low, high) => (slotOf(low, high, addressBits, rootShift) === slots[0] ? 1 : 0),
    install(which, region, readNow, tablesOffset = TABLES_OFFSET): Installation {
      readNow(address, root);
      const stubAddress = BigInt(slots[which]) << BigInt(rootShift);
      const tables = new StubTables({
        region,
        tablesOffset,
        granule,
        rootLevel: level,
        rootBytes,
        attributes: stageOneAttributes(registers.mair, false),
      });
      const copy = tables.addRoot(root);
      tables.mapRegion(copy, stubAddress);
      const bridge = isEl3 ? addBridge(tables, copy, stubAddress, region) : 0n;
      const tcr = withPhysicalSize(registers, Tcr.PsEl2);
      const ttbr0 = withAsidOf(registers.ttbr0, BigInt(copy));
      return {
        tables: tables.bytes,
        tablesOffset,
        bridge,
        stubAddress,
        registers: { ...registers, hcrEl2, tcr, ttbr0 },
      };
    },
  };
}

/** A root that maps the region where the loop sees itself and where it physically is. */
function addBridge(tables: StubTables, root: number, stubAddress: bigint, region: number): bigint {
  const bridge = tables.addRoot();
  tables.share(bridge, root, stubAddress);
  tables.mapRegion(bridge, BigInt(region));
  return BigInt(bridge);
}

/** Where the first two entries that are not valid stand; with fewer, used ones from the end are taken. */
function chooseSlots(root: Uint8Array): readonly [number, number] {
  const count = root.length / ENTRY_BYTES;
  const free: number[] = [];
  for (let slot = 0; slot < count && free.length < 2; slot++) {
    if (((root[slot * ENTRY_BYTES] as number) & 1) === 0) free.push(slot);
  }
  const last = count - 1;
  const first = free[0] ?? last;
  return [first, free[1] ?? (first === last ? last - 1 : last)];
}

/** The root entry that translates an address, or −1 beyond the address space. */
export function slotOf(low: number, high: number, addressBits: number, rootShift: number): number {
  // The tag byte (TBI) is left out: a tagged address finds the same entry.
  const address = (high & 0xff_ffff) * 2 ** 32 + (low >>> 0);
  return address >= 2 ** addressBits ? -1 : Math.floor(address / 2 ** rootShift);
}

/** TTBR.BADDR (Arm ARM D19.2.152): with 52-bit addresses bits 51:48 stand in bits 5:2. */
function rootAddressOf(registers: AArch64Registers, rootBytes: number, isLpa2: boolean): number {
  const is52 = isLpa2 || PHYSICAL_ADDRESS_BITS[read(registers.tcr, Tcr.PsEl2)] === 52;
  const high = is52 ? ((registers.ttbr0 >> 2n) & 0xfn) << 48n : 0n;
  const low = registers.ttbr0 & 0xffff_ffff_fffen & ~BigInt(Math.max(rootBytes, is52 ? 64 : 8) - 1);
  return Number(high | low);
}
