// The AArch64 stub: see PROTOCOL.md. A flat, position-independent blob; offset 0 is its entry. Names in
// capitals that are not set here come from protocol.inc, which assemble.ts writes from the TypeScript constants.

.arch armv8.1-a
.include "protocol.inc"

// ESR_ELx.EC (Arm ARM D19.2.37).
.set EC_SHIFT,      26
.set EC_SVC,        0x15
.set EC_HVC,        0x16
.set EC_SMC,        0x17
.set EC_ABORT,      0x20        // without the bits that tell data from fetch and same from lower level
.set EC_ABORT_MASK, 0x3a
.set EC_FROM_LOWER_MASK, 0x3b

// PAR_EL1.F, FST without its level, and S (Arm ARM D19.2.118): a permission fault of stage 2.
.set PAR_STAGE_TWO_PERMISSION_MASK, 0x279
.set PAR_STAGE_TWO_PERMISSION, 0x219

// ESR.DFSC without its level: a permission fault.
.set DFSC_PERMISSION_MASK, 0x3c
.set DFSC_PERMISSION, 0x0c

// SPSR_ELx: DAIF masked, all else clear (PAN, SS, BTYPE …).
.set SPSR_EL0,      0x3c0
.set SPSR_EL1,      0x3c5
.set SPSR_EL2,      0x3c9

// HCR_EL2.E2H: EL2 has the two ranges of EL2&0 (Arm ARM D19.2.48).
.set HCR_E2H_BIT,   34
// HCR_EL2.VM and DC: stage 2 is on.
.set HCR_VM_BIT,    0
.set HCR_DC_BIT,    12

// SCTLR_EL3 and SCTLR_EL2 with the MMU off: the bits that are RES1.
.set SCTLR_OFF,     0x30c50830

.include "monitor.s"
.include "loop.s"
.include "stage-two.s"
.include "live.s"
.include "el0.s"
