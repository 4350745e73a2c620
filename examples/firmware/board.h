/* What the firmware needs of the board: a serial line, a timer, and an end. To port it, write these anew. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Starts the serial line and the timer. */
void board_start(void);

/* Sends text on the serial line. */
void board_print(const char *text);

/* Returns cycles of the core since some moment, modulo 2^24. */
uint32_t board_cycles(void);

/* Ends an emulation with this exit status; on hardware it waits for ever. */
void board_finish(int status);

#endif
