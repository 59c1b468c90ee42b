/* How long answers took: counts in buckets whose width grows with the time, 1.6 % of it at most. */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>

enum { LATENCY_PARTS = 64, LATENCY_BUCKETS = 64 * LATENCY_PARTS };

typedef struct {
    uint64_t bucket[LATENCY_BUCKETS], count, longest;
} latency;

void latency_add(latency *all, uint64_t nanoseconds);

/* Milliseconds that this share of the answers took at most; 0 where there were none. */
double latency_at(const latency *all, double share);

#endif
