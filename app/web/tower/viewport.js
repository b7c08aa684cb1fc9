// @ts-check

/**
 * @typedef {[number, number]} Point on the plane or the screen
 * @typedef {{ left: number, top: number, right: number, bottom: number }} Box
 */

// Mercator has no poles.
const STEEPEST = 85;
const LOWEST_SCALE = 2;
const HIGHEST_SCALE = 60_000;
const EARTH_RADIUS_KM = 6_371;

/**
 * Mercator: degrees of longitude to the east, as many to the south, so that angles are true and north is up.
 *
 * @param {number} lat
 * @param {number} lon
 * @returns {Point}
 */
export function project(lat, lon) {
  const steep = Math.max(-STEEPEST, Math.min(STEEPEST, lat)) * (Math.PI / 180);
  return [lon, (-180 / Math.PI) * Math.asinh(Math.tan(steep))];
}

/** @param {number} y */
export function latitudeAt(y) {
  return (180 / Math.PI) * Math.atan(Math.sinh((-y * Math.PI) / 180));
}

/** The part of the plane that is seen. `scale` is pixels per degree of longitude. */
export class Viewport {
  width = 1;
  height = 1;
  scale = 20;
  centreX = 0;
  centreY = 0;

  /** @param {number} x */
  screenX(x) {
    return (x - this.centreX) * this.scale + this.width / 2;
  }

  /** @param {number} y */
  screenY(y) {
    return (y - this.centreY) * this.scale + this.height / 2;
  }

  /** @returns {Box} on the plane */
  get box() {
    const [across, down] = [this.width / this.scale / 2, this.height / this.scale / 2];
    return {
      left: this.centreX - across,
      right: this.centreX + across,
      top: this.centreY - down,
      bottom: this.centreY + down,
    };
  }

  get kilometresPerPixel() {
    const degree = (Math.PI / 180) * EARTH_RADIUS_KM * Math.cos((latitudeAt(this.centreY) * Math.PI) / 180);
    return degree / this.scale;
  }

  /**
   * @param {number} right pixels
   * @param {number} down pixels
   */
  pan(right, down) {
    this.centreX += right / this.scale;
    this.centreY += down / this.scale;
  }

  /**
   * What is at this place of the screen stays there.
   *
   * @param {number} factor
   * @param {Point} place
   */
  zoom(factor, [x, y] = [this.width / 2, this.height / 2]) {
    const scale = Math.max(LOWEST_SCALE, Math.min(HIGHEST_SCALE, this.scale * factor));
    const [across, down] = [x - this.width / 2, y - this.height / 2];
    this.centreX += across / this.scale - across / scale;
    this.centreY += down / this.scale - down / scale;
    this.scale = scale;
  }

  /**
   * @param {Box} box
   * @param {number} margin pixels
   */
  fit({ left, top, right, bottom }, margin) {
    const across = Math.max(this.width - 2 * margin, 1) / Math.max(right - left, 1e-3);
    const down = Math.max(this.height - 2 * margin, 1) / Math.max(bottom - top, 1e-3);
    this.scale = Math.max(LOWEST_SCALE, Math.min(HIGHEST_SCALE, across, down));
    this.centreX = (left + right) / 2;
    this.centreY = (top + bottom) / 2;
  }
}

/**
 * @param {Iterable<Point>} points
 * @returns {Box | null} around them; `null` around none
 */
export function boxAround(points) {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const [x, y] of points) {
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y);
  }
  return box.left <= box.right ? box : null;
}
