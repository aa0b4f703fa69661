// Tables that change while they are in force: what the monitor does without installing or invalidating anything.
// At EL3 all of this runs under the tables under test, as the loop does, and x20 is the control block's alias.

.section .live, "ax"
.global operate_here, operate_end, operations

// The end of a batch at EL3 whose MMU stays on.
end_el3_live:
        isb
        mrs     x0, cntpct_el0
        str     x0, [x20, #CONTROL_T1]
        ldr     w21, [x20, #CONTROL_DOORBELL]
        b       acknowledge

// EL3 goes back to physical addresses while the tables that map it are still there.
end_live:
        mrs     x1, sctlr_el3
        tbnz    x1, #0, leave_el3
        b       acknowledge

// Back to where the last batch ended: the loop begins again. ELR_EL3 and SPSR_EL3 are still those of its SMC.
probe_keep_tlb:
        mrs     x0, cntpct_el0
        str     x0, [x20, #CONTROL_T0]
        mrs     x1, sctlr_el3
        tbnz    x1, #0, 1f
        eret
1:      b       run_el3

// Carries out COUNT records of the probe window: operand in x0, and a number of `operations`. Emulators that have no
// monitor start at operate_here at the loop's level, and stop at operate_end.
operate_here:
        adr     x19, start
        add     x20, x19, #CONTROL_ALIAS
operate:
        ldr     x1, [x20, #CONTROL_PROBES]
        add     x1, x1, x19
        ldr     w2, [x20, #CONTROL_COUNT]
        mov     w3, #0
        adr     x5, operations
next_operation:
        cmp     w3, w2
        b.eq    operate_end
        ldr     x0, [x1, #PROBE_ADDRESS]
        ldrb    w4, [x1, #PROBE_ACCESS]
        add     x4, x5, x4, lsl #3
        br      x4
operation_done:
        add     x1, x1, #PROBE_RECORD_BYTES
        add     w3, w3, #1
        str     w3, [x20, #CONTROL_DONE]
        b       next_operation
operate_end:
        nop                             // an emulator that stops at the label translates anew what ends there
        b       acknowledge

// One instruction at the place that its number gives it: the assembler refuses a number that is taken.
.macro OPERATION number, instruction:vararg
        .org    operations + \number*8
        \instruction
        b       operation_done
.endm
operations:
        OPERATION OPERATION_DSB_ISHST, dsb ishst
        OPERATION OPERATION_DSB_ISH, dsb ish
        OPERATION OPERATION_ISB, isb
        OPERATION OPERATION_VAAE1IS, tlbi vaae1is, x0
        OPERATION OPERATION_VAE2IS, tlbi vae2is, x0
        OPERATION OPERATION_VAE3IS, tlbi vae3is, x0
        OPERATION OPERATION_IPAS2E1IS, tlbi ipas2e1is, x0
        OPERATION OPERATION_VMALLE1IS, tlbi vmalle1is
        OPERATION OPERATION_VMALLS12E1IS, tlbi vmalls12e1is
        OPERATION OPERATION_ALLE1IS, tlbi alle1is
        OPERATION OPERATION_ALLE2IS, tlbi alle2is
        OPERATION OPERATION_ALLE3IS, tlbi alle3is
        OPERATION OPERATION_TTBR0_EL1, msr ttbr0_el1, x0
        OPERATION OPERATION_TTBR1_EL1, msr ttbr1_el1, x0
        OPERATION OPERATION_TTBR0_EL2, msr ttbr0_el2, x0
        OPERATION OPERATION_TTBR1_EL2, msr ttbr1_el2, x0
        OPERATION OPERATION_TTBR0_EL3, msr ttbr0_el3, x0
        OPERATION OPERATION_VTTBR_EL2, msr vttbr_el2, x0
