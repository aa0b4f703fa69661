import {
  CONTROL_OFFSET,
  Control,
  MACHINE_AREA_OFFSET,
  PROBE_WINDOW_OFFSET,
  RESULT_WINDOW_OFFSET,
} from '../protocol.ts';
import { BLOB } from './blob.ts';
import { X64Register } from './control.ts';
import { bridgeOf, CANARY_OFFSET, MARKER_PAGE_OFFSET, regionTables, rootOf, TABLES_BYTES } from './graft.ts';
import type { Placement } from './placement.ts';
import type { X64StubPlan } from './stub-plan.ts';
import { Symbols } from './symbols.ts';

/** A MARKER_MASK that no record's address passes. */
export const NO_MARKERS = 0xffff_ffff_ffff_ffffn;

/** Bytes at the start of a region that hold the stub: code, control block and tables. */
export const STUB_BYTES = MACHINE_AREA_OFFSET + TABLES_BYTES;

/** Offset in the region of an entry of the control block's REGISTERS. */
export function registerOffset(index: number): number {
  return CONTROL_OFFSET + Control.Registers + 8 * index;
}

/** CR3 of a placement: the copied top-level table with the graft. */
export function cr3Of(placement: Placement, plan: X64StubPlan): bigint {
  return BigInt(rootOf(placement)) | plan.cr3Flags;
}

/**
 * A fresh stub for a placement: the first {@link STUB_BYTES} of its region.
 * @param exit one of ExitMode
 * @param markerFrame where markers go, a frame without memory; undefined for none
 */
export function stubBytes(
  placement: Placement,
  plan: X64StubPlan,
  exit: number,
  markerFrame?: number,
): Uint8Array {
  const { region, base } = placement;
  const bytes = new Uint8Array(STUB_BYTES);
  bytes.set(BLOB);
  const view = new DataView(bytes.buffer);
  view.setUint32(Symbols.reset_base, region, true);
  const tables = regionTables(placement, plan.topLevel, plan.placements, plan.levels, markerFrame);
  bytes.set(new Uint8Array(tables.buffer), MACHINE_AREA_OFFSET);
  const registers: readonly (readonly [number, bigint])[] = [
    [X64Register.Cr0, plan.cr0],
    [X64Register.Cr3, cr3Of(placement, plan)],
    [X64Register.Cr4, plan.cr4],
    [X64Register.Efer, plan.efer],
    [X64Register.Pat, plan.pat],
    [X64Register.Entry, base + BigInt(Symbols.entry)],
    [X64Register.Bridge, BigInt(bridgeOf(placement))],
    [X64Register.Canary, base + BigInt(CANARY_OFFSET)],
    [X64Register.Marker, base + BigInt(MARKER_PAGE_OFFSET)],
    [X64Register.MarkerMask, NO_MARKERS],
  ];
  for (const [register, value] of registers) view.setBigUint64(registerOffset(register), value, true);
  view.setUint32(CONTROL_OFFSET + Control.Exit, exit, true);
  view.setBigUint64(CONTROL_OFFSET + Control.Probes, BigInt(PROBE_WINDOW_OFFSET), true);
  view.setBigUint64(CONTROL_OFFSET + Control.Results, BigInt(RESULT_WINDOW_OFFSET), true);
  return bytes;
}
