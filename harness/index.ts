/** The verification: inputs, machines, verdicts. */

export { AttachedProcessor } from './attached-processor.ts';
export { AttachedTables } from './attached-tables.ts';
export { type DeviatingProbe, ERRATA, type Erratum } from './errata.ts';
export { writeCapture } from './inputs/capture/write-capture.ts';
export { type Complaint, InputError } from './inputs/input-error.ts';
export { type BuiltLayout, buildLayout } from './inputs/layout/build-layout.ts';
export type { AArch64Layout, Layout, LayoutRegion, X64Layout } from './inputs/layout/layout.ts';
export { readLayout } from './inputs/layout/read-layout.ts';
export { loadInput } from './inputs/load-input.ts';
export type {
  CaptureInput,
  LayoutAgainstCaptureInput,
  LayoutInput,
  LoadOptions,
  QueriedPage,
  UpkeepRange,
  VerificationInput,
} from './inputs/types.ts';
export type { LiveGuest, TlbOperation } from './live-guest.ts';
export {
  type Capabilities,
  type GuestImage,
  type Machine,
  MachineError,
  type MachineErrorCode,
  type MachineOptions,
  type MachineProvider,
  type Observations,
  type ProbeList,
} from './machine.ts';
export {
  MACHINES,
  MachineSelectionError,
  type RegisteredMachine,
  selectMachines,
} from './machines/registry.ts';
export type { Outcome } from './outcome.ts';
export type { Coverage } from './plan-points.ts';
export type { MachineReport, Mismatch, MismatchGroup, Report } from './report.ts';
export {
  loadReporter,
  type Reporter,
  type ReporterName,
  type ReporterOptions,
} from './reporters/reporter.ts';
export { runTlbSuite, type TlbResult } from './tlb-suite/tlb-suite.ts';
export { type VerifyOptions, verify } from './verify.ts';
export type { MachineCandidate } from './verify-run.ts';
